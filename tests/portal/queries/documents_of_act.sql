-- documents_of_act: the papers on an act's page.
--   Document.objects.filter(act=act).order_by("created_at", "id")

-- parameters: act_id
SELECT "documents"."id", "documents"."act_id", "documents"."uploaded_by_id", "documents"."title",
       "documents"."file", "documents"."mime_type", "documents"."size_bytes", "documents"."checksum",
       "documents"."is_signed", "documents"."signed_at", "documents"."created_at"
FROM "documents"
WHERE "documents"."act_id" = $1
ORDER BY "documents"."created_at" ASC, "documents"."id" ASC;
