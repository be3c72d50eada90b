-- act_list: a notary's desk, newest acts first, twenty a page: names and document counts come with the acts.
--   documents = Document.objects.filter(act=OuterRef("pk")).order_by().values("act")
--   Act.objects.filter(notary=notary).select_related("notary__user", "client").annotate(
--       document_count=Coalesce(Subquery(documents.annotate(n=Count("*")).values("n")), 0),
--       signed_count=Coalesce(Subquery(documents.filter(is_signed=True).annotate(n=Count("*")).values("n")), 0)
--   ).order_by("-created_at", "-id")[:20]
-- It is what n_plus_one_act_list became. Counting in subqueries, not by GROUP BY over the join, leaves the counts of
-- acts that are on other pages uncounted.

-- parameters: notary_id
SELECT "acts"."id", "acts"."reference_number", "acts"."notary_id", "acts"."client_id", "acts"."act_type",
       "acts"."title", "acts"."description", "acts"."status", "acts"."amount", "acts"."fee",
       "acts"."due_date", "acts"."completed_at", "acts"."created_at", "acts"."updated_at",
       "notaries"."studio_name", "users"."first_name" AS "notary_first_name",
       "users"."last_name" AS "notary_last_name", "clients"."first_name" AS "client_first_name",
       "clients"."last_name" AS "client_last_name",
       COALESCE((SELECT COUNT(*) FROM "documents" U0 WHERE U0."act_id" = "acts"."id"
                 GROUP BY U0."act_id"), 0) AS "document_count",
       COALESCE((SELECT COUNT(*) FROM "documents" U0 WHERE U0."act_id" = "acts"."id" AND U0."is_signed"
                 GROUP BY U0."act_id"), 0) AS "signed_count"
FROM "acts" INNER JOIN "notaries" ON ("acts"."notary_id" = "notaries"."id")
            INNER JOIN "users" ON ("notaries"."user_id" = "users"."id")
            INNER JOIN "clients" ON ("acts"."client_id" = "clients"."id")
WHERE "acts"."notary_id" = $1
ORDER BY "acts"."created_at" DESC, "acts"."id" DESC
LIMIT 20;
