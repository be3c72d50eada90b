-- n_plus_one_act_list: the notary's desk as it was before act_list: 1 query for the acts and 4 more for each of them,
-- one for every dot in the template: act.notary, act.client, act.documents.count, the signed ones' count.
--   Act.objects.filter(notary=notary).order_by("-created_at", "-id")[:20]

-- parameters: notary_id
SELECT "acts"."id", "acts"."reference_number", "acts"."notary_id", "acts"."client_id", "acts"."act_type",
       "acts"."title", "acts"."description", "acts"."status", "acts"."amount", "acts"."fee",
       "acts"."due_date", "acts"."completed_at", "acts"."created_at", "acts"."updated_at"
FROM "acts"
WHERE "acts"."notary_id" = $1
ORDER BY "acts"."created_at" DESC, "acts"."id" DESC
LIMIT 20;

-- parameters: row.notary_id
SELECT "notaries"."id", "notaries"."user_id", "notaries"."studio_name", "notaries"."registration_number",
       "notaries"."vat_number", "notaries"."address", "notaries"."city", "notaries"."province",
       "notaries"."postal_code", "notaries"."coordinates"::bytea, "notaries"."pec_email",
       "notaries"."website", "notaries"."bio", "notaries"."specializations", "notaries"."rating",
       "notaries"."reviews_count", "notaries"."is_active", "notaries"."created_at", "notaries"."updated_at"
FROM "notaries"
WHERE "notaries"."id" = $1
LIMIT 21;

-- parameters: row.client_id
SELECT "clients"."id", "clients"."user_id", "clients"."fiscal_code", "clients"."first_name",
       "clients"."last_name", "clients"."birth_date", "clients"."address", "clients"."city",
       "clients"."phone", "clients"."created_at"
FROM "clients"
WHERE "clients"."id" = $1
LIMIT 21;

-- parameters: row.id
SELECT COUNT(*) AS "__count"
FROM "documents"
WHERE "documents"."act_id" = $1;

-- parameters: row.id
SELECT COUNT(*) AS "__count"
FROM "documents"
WHERE ("documents"."act_id" = $1 AND "documents"."is_signed");
