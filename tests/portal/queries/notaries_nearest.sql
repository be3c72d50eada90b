-- notaries_nearest: "notaries near me" on the map page: the twenty nearest within a distance that the visitor sets.
--   Notary.objects.filter(is_active=True, coordinates__isnull=False, coordinates__dwithin=(here, metres))
--         .select_related("user").annotate(distance=Distance("coordinates", here)).order_by("distance")[:20]

-- parameters: place, radius_metres
SELECT "notaries"."id", "notaries"."user_id", "notaries"."studio_name", "notaries"."registration_number",
       "notaries"."vat_number", "notaries"."address", "notaries"."city", "notaries"."province",
       "notaries"."postal_code", "notaries"."coordinates"::bytea, "notaries"."pec_email",
       "notaries"."website", "notaries"."bio", "notaries"."specializations", "notaries"."rating",
       "notaries"."reviews_count", "notaries"."is_active", "notaries"."created_at",
       "notaries"."updated_at", "users"."id", "users"."password", "users"."last_login",
       "users"."is_superuser", "users"."username", "users"."first_name", "users"."last_name",
       "users"."is_staff", "users"."is_active", "users"."date_joined", "users"."email", "users"."phone",
       "users"."role", ST_Distance("notaries"."coordinates", ST_GeogFromWKB($1::bytea)) AS "distance"
FROM "notaries" INNER JOIN "users" ON ("notaries"."user_id" = "users"."id")
WHERE ("notaries"."coordinates" IS NOT NULL
       AND ST_DWithin("notaries"."coordinates", ST_GeogFromWKB($1::bytea), $2::double precision)
       AND "notaries"."is_active")
ORDER BY "distance" ASC
LIMIT 20;
