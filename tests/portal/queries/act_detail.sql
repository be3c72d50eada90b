-- act_detail: one act's page, with the notary and the client on it.
--   Act.objects.select_related("notary__user", "client").get(pk=pk)

-- parameters: act_id
SELECT "acts"."id", "acts"."reference_number", "acts"."notary_id", "acts"."client_id", "acts"."act_type",
       "acts"."title", "acts"."description", "acts"."status", "acts"."amount", "acts"."fee",
       "acts"."due_date", "acts"."completed_at", "acts"."created_at", "acts"."updated_at", "notaries"."id",
       "notaries"."user_id", "notaries"."studio_name", "notaries"."registration_number",
       "notaries"."vat_number", "notaries"."address", "notaries"."city", "notaries"."province",
       "notaries"."postal_code", "notaries"."coordinates"::bytea, "notaries"."pec_email",
       "notaries"."website", "notaries"."bio", "notaries"."specializations", "notaries"."rating",
       "notaries"."reviews_count", "notaries"."is_active", "notaries"."created_at",
       "notaries"."updated_at", "users"."id", "users"."password", "users"."last_login",
       "users"."is_superuser", "users"."username", "users"."first_name", "users"."last_name",
       "users"."is_staff", "users"."is_active", "users"."date_joined", "users"."email", "users"."phone",
       "users"."role", "clients"."id", "clients"."user_id", "clients"."fiscal_code",
       "clients"."first_name", "clients"."last_name", "clients"."birth_date", "clients"."address",
       "clients"."city", "clients"."phone", "clients"."created_at"
FROM "acts" INNER JOIN "notaries" ON ("acts"."notary_id" = "notaries"."id")
            INNER JOIN "users" ON ("notaries"."user_id" = "users"."id")
            INNER JOIN "clients" ON ("acts"."client_id" = "clients"."id")
WHERE "acts"."id" = $1
LIMIT 21;
