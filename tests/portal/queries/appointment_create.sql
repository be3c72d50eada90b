-- appointment_create: a client books half an hour at a notary's; one transaction.
--   with transaction.atomic():
--       if notary.appointments.exclude(status="annullato").filter(starts_at__lt=end, ends_at__gt=start).exists(): …
--       Appointment.objects.create(…)

BEGIN;

-- Is the notary free then? An appointment lasts a day at most, which lets the index bound the search.
-- parameters: notary_id, slot_end, slot_start
SELECT 1 AS "a"
FROM "appointments"
WHERE ("appointments"."notary_id" = $1 AND "appointments"."starts_at" < $2::timestamptz
       AND "appointments"."starts_at" > $3::timestamptz - interval '1 day'
       AND "appointments"."ends_at" > $3::timestamptz AND NOT ("appointments"."status" = 'annullato'))
LIMIT 1;

-- unless rows: the form says that the hour is taken
-- parameters: notary_id, client_id, slot_start, slot_end, appointment_kind, moment
INSERT INTO "appointments" ("notary_id", "client_id", "act_id", "starts_at", "ends_at", "kind", "status", "notes",
                            "created_at")
VALUES ($1, $2, NULL, $3::timestamptz, $4::timestamptz, $5, 'richiesto', '', $6::timestamptz)
RETURNING "appointments"."id";

COMMIT;
