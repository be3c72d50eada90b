-- n_plus_one_notary_list: the notaries page before select_related("user"): 1 query for the notaries
-- and 1 for each one's user.
--   Notary.objects.filter(is_active=True).order_by("-rating", "id")[offset:offset + 20]

-- parameters: notary_page_offset
SELECT "notaries"."id", "notaries"."user_id", "notaries"."studio_name", "notaries"."registration_number",
       "notaries"."vat_number", "notaries"."address", "notaries"."city", "notaries"."province",
       "notaries"."postal_code", "notaries"."coordinates"::bytea, "notaries"."pec_email",
       "notaries"."website", "notaries"."bio", "notaries"."specializations", "notaries"."rating",
       "notaries"."reviews_count", "notaries"."is_active", "notaries"."created_at", "notaries"."updated_at"
FROM "notaries"
WHERE "notaries"."is_active"
ORDER BY "notaries"."rating" DESC, "notaries"."id" ASC
LIMIT 20 OFFSET $1;

-- parameters: row.user_id
SELECT "users"."id", "users"."password", "users"."last_login", "users"."is_superuser", "users"."username",
       "users"."first_name", "users"."last_name", "users"."is_staff", "users"."is_active",
       "users"."date_joined", "users"."email", "users"."phone", "users"."role"
FROM "users"
WHERE "users"."id" = $1
LIMIT 21;
