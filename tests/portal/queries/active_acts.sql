-- active_acts: the "to do" box on a notary's desk: drafts and acts being worked on, the most urgent first.
--   Act.objects.filter(notary=notary, status__in=["bozza", "in_lavorazione"]).order_by("due_date", "id")
-- The statuses are literals, as the ORM's manager for active acts writes them: the partial index needs to see them.

-- parameters: notary_id
SELECT "acts"."id", "acts"."reference_number", "acts"."notary_id", "acts"."client_id", "acts"."act_type",
       "acts"."title", "acts"."description", "acts"."status", "acts"."amount", "acts"."fee",
       "acts"."due_date", "acts"."completed_at", "acts"."created_at", "acts"."updated_at"
FROM "acts"
WHERE ("acts"."notary_id" = $1 AND "acts"."status" IN ('bozza', 'in_lavorazione'))
ORDER BY "acts"."due_date" ASC, "acts"."id" ASC;
