-- review_approve: the staff approves a review (saying so again of an approved one changes nothing), and the
-- notary's rating follows; one transaction.
--   with transaction.atomic():
--       review = Review.objects.select_for_update().get(pk=pk)
--       review.save(update_fields=["is_approved", "approved_at"]); notary.refresh_rating()

BEGIN;

-- parameters: review_id
SELECT "reviews"."id", "reviews"."notary_id", "reviews"."client_id", "reviews"."act_id",
       "reviews"."rating", "reviews"."comment", "reviews"."is_approved", "reviews"."approved_at",
       "reviews"."created_at"
FROM "reviews"
WHERE "reviews"."id" = $1
LIMIT 21
FOR UPDATE;

-- parameters: moment, row.id
UPDATE "reviews"
SET "is_approved" = true, "approved_at" = $1::timestamptz
WHERE "reviews"."id" = $2;

-- parameters: moment, row.notary_id
UPDATE "notaries"
SET "rating" = (SELECT ROUND(AVG(U0."rating"), 2) FROM "reviews" U0
                WHERE U0."notary_id" = "notaries"."id" AND U0."is_approved"),
    "reviews_count" = (SELECT COUNT(*) FROM "reviews" U0
                       WHERE U0."notary_id" = "notaries"."id" AND U0."is_approved"),
    "updated_at" = $1::timestamptz
WHERE "notaries"."id" = $2;

COMMIT;
