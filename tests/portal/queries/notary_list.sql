-- notary_list: the portal's first page and its "all notaries" pages, best rated first, twenty a page.
--   Notary.objects.filter(is_active=True).select_related("user").order_by("-rating", "id")[offset:offset + 20]
-- The ORM writes the offset into the text; here it is a parameter, so that the file holds one statement.

-- parameters: notary_page_offset
SELECT "notaries"."id", "notaries"."user_id", "notaries"."studio_name", "notaries"."registration_number",
       "notaries"."vat_number", "notaries"."address", "notaries"."city", "notaries"."province",
       "notaries"."postal_code", "notaries"."coordinates"::bytea, "notaries"."pec_email",
       "notaries"."website", "notaries"."bio", "notaries"."specializations", "notaries"."rating",
       "notaries"."reviews_count", "notaries"."is_active", "notaries"."created_at",
       "notaries"."updated_at", "users"."id", "users"."password", "users"."last_login",
       "users"."is_superuser", "users"."username", "users"."first_name", "users"."last_name",
       "users"."is_staff", "users"."is_active", "users"."date_joined", "users"."email", "users"."phone",
       "users"."role"
FROM "notaries" INNER JOIN "users" ON ("notaries"."user_id" = "users"."id")
WHERE "notaries"."is_active"
ORDER BY "notaries"."rating" DESC, "notaries"."id" ASC
LIMIT 20 OFFSET $1;
