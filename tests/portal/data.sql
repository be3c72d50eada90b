-- Fills the portal. psql variable `scale` (default 1): 1,000 notaries, 50,000 clients, 100,000 acts, 200,000
-- documents, 30,000 appointments and some 22,000 reviews, each times scale (0.01 is enough for tests). The same
-- scale gives the same rows everywhere: all variety is a hash of the row's number, and "now" is a constant.
\if :{?scale}
\else
  \set scale 1
\endif
\set now '2026-03-02 09:00:00+00'

BEGIN;
SET LOCAL timezone = 'UTC';
SET LOCAL synchronous_commit = off;
SET LOCAL client_min_messages = warning;

-- A number from 0 to n - 1 that depends on the row and on what it is for (use), on nothing else.
CREATE FUNCTION pg_temp.pick(row_number bigint, use bigint, n bigint) RETURNS bigint
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (pg_catalog.hashint8extended(row_number, use) & 9223372036854775807) % n;

CREATE FUNCTION pg_temp.one_of(choices text[], row_number bigint, use bigint) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN choices[1 + pg_temp.pick(row_number, use, pg_catalog.cardinality(choices))];

SELECT greatest(1, round(1000 * :scale))::bigint AS notaries,
       greatest(1, round(50000 * :scale))::bigint AS clients,
       greatest(1, round(100000 * :scale))::bigint AS acts,
       greatest(1, round(200000 * :scale))::bigint AS documents,
       greatest(1, round(30000 * :scale))::bigint AS appointments \gset

-- Where notaries are; weight says how many of the hundred places a city has in the draw.
CREATE TEMP TABLE city ON COMMIT DROP AS
  SELECT row_number() OVER () - 1 AS place, name, province, postal_code, longitude, latitude
  FROM (VALUES ('Milano', 'MI', '20121', 9.1900, 45.4642, 14), ('Roma', 'RM', '00184', 12.4964, 41.9028, 14),
               ('Napoli', 'NA', '80133', 14.2681, 40.8518, 10), ('Torino', 'TO', '10121', 7.6869, 45.0703, 8),
               ('Bologna', 'BO', '40121', 11.3426, 44.4949, 6), ('Firenze', 'FI', '50122', 11.2558, 43.7696, 6),
               ('Palermo', 'PA', '90133', 13.3615, 38.1157, 5), ('Genova', 'GE', '16121', 8.9463, 44.4056, 5),
               ('Bari', 'BA', '70121', 16.8719, 41.1171, 4), ('Catania', 'CT', '95124', 15.0830, 37.5079, 4),
               ('Verona', 'VR', '37121', 10.9916, 45.4384, 4), ('Padova', 'PD', '35121', 11.8768, 45.4064, 3),
               ('Trieste', 'TS', '34121', 13.7768, 45.6495, 3), ('Brescia', 'BS', '25121', 10.2118, 45.5416, 3),
               ('Perugia', 'PG', '06121', 12.3828, 43.1107, 3), ('Cagliari', 'CA', '09124', 9.1217, 39.2238, 3),
               ('Ancona', 'AN', '60121', 13.5189, 43.6158, 2), ('Trento', 'TN', '38122', 11.1211, 46.0748, 2),
               ('L''Aquila', 'AQ', '67100', 13.3995, 42.3498, 1))
       AS c (name, province, postal_code, longitude, latitude, weight), generate_series(1, weight);

CREATE TEMP TABLE person ON COMMIT DROP AS
  SELECT id,
         pg_temp.one_of('{Giulia,Marco,Francesca,Alessandro,Chiara,Luca,Sara,Matteo,Elena,Andrea,Martina,Davide,Paola,
                          Stefano,Valentina,Roberto,Silvia,Giovanni,Laura,Niccolò}', id, 1) AS first_name,
         pg_temp.one_of('{Rossi,Russo,Ferrari,Esposito,Bianchi,Romano,Colombo,Ricci,Marino,Greco,Bruno,Gallo,Conti,
                          "De Luca",Mancini,Costa,Giordano,Rizzo,Lombardi,Moretti,"D''Angelo",Fontana,Caruso,Ferrara}',
                        id, 2) AS last_name
  FROM generate_series(1, :notaries + :clients) AS id;

-- No password fits these hashes: nobody logs in as a row of the test data.
INSERT INTO users (id, username, password, first_name, last_name, email, phone, role, is_active, last_login, date_joined)
SELECT id, 'utente' || id, 'pbkdf2_sha256$600000$' || left(md5(id::text), 22) || '$' || encode(sha256(id::text::bytea), 'base64'),
       first_name, last_name,
       lower(translate(first_name || '.' || last_name, ' ''ò', '__o')) || id || '@example.it',
       '+39 3' || lpad(pg_temp.pick(id, 3, 1000000000)::text, 9, '0'),
       CASE WHEN id <= :notaries THEN 'notaio' ELSE 'cliente' END,
       pg_temp.pick(id, 4, 50) > 0,
       CASE WHEN pg_temp.pick(id, 5, 4) > 0 THEN :'now'::timestamptz - pg_temp.pick(id, 6, 90 * 86400) * interval '1 s' END,
       :'now'::timestamptz - (90 + pg_temp.pick(id, 7, 1500)) * interval '1 day'
FROM person;

INSERT INTO notaries (id, user_id, studio_name, registration_number, vat_number, address, city, province, postal_code,
                      coordinates, pec_email, website, bio, specializations, is_active, created_at, updated_at)
SELECT id, id, 'Studio Notarile ' || last_name || CASE WHEN pg_temp.pick(id, 10, 4) = 0 THEN ' & Associati' ELSE '' END,
       'N' || c.province || lpad(id::text, 7, '0'), lpad(pg_temp.pick(id, 11, 99999999999)::text, 11, '0'),
       pg_temp.one_of('{Via Roma,Corso Italia,Via Garibaldi,Piazza Cavour,Via Mazzini,Viale Europa,Via Dante}', id, 12)
         || ', ' || 1 + pg_temp.pick(id, 13, 180),
       c.name, c.province, c.postal_code,
       -- One in twenty has no place on the map yet; the others are within some ten kilometres of their city.
       CASE WHEN pg_temp.pick(id, 14, 20) > 0
            THEN ST_SetSRID(ST_MakePoint(c.longitude + (pg_temp.pick(id, 15, 2001) - 1000) / 8000.0,
                                         c.latitude + (pg_temp.pick(id, 16, 2001) - 1000) / 11000.0), 4326)::geography END,
       'notaio' || id || '@pec.example.it',
       CASE WHEN pg_temp.pick(id, 17, 3) > 0 THEN 'https://notaio' || id || '.example.it' ELSE '' END,
       'Lo studio segue privati e imprese dal ' || 1985 + pg_temp.pick(id, 18, 38) || ' e riceve su appuntamento.',
       CASE pg_temp.pick(id, 19, 3) WHEN 0 THEN '{compravendita,mutuo}' WHEN 1 THEN '{successione,donazione,testamento}'
                                    ELSE '{costituzione_societa}' END::varchar[],
       pg_temp.pick(id, 20, 25) > 0, :'now'::timestamptz - 800 * interval '1 day', :'now'
FROM person JOIN city c ON c.place = pg_temp.pick(id, 9, 100)
WHERE id <= :notaries
ORDER BY id;

INSERT INTO clients (id, user_id, fiscal_code, first_name, last_name, birth_date, address, city, phone, created_at)
SELECT p.id - :notaries, p.id,
       upper(rpad(left(translate(p.last_name, ' ''aeiouòAEIOU', ''), 3), 3, 'X') || rpad(left(p.first_name, 3), 3, 'X'))
         || lpad(p.id::text, 10, '0'),
       p.first_name, p.last_name, date '1945-01-01' + pg_temp.pick(p.id, 21, 21900)::int,
       'Via Verdi, ' || 1 + pg_temp.pick(p.id, 22, 200), c.name, u.phone, u.date_joined
FROM person p JOIN users u USING (id) JOIN city c ON c.place = pg_temp.pick(p.id, 23, 100)
WHERE p.id > :notaries
ORDER BY p.id;

INSERT INTO acts (id, reference_number, notary_id, client_id, act_type, title, description, status, amount, fee, due_date,
                  completed_at, created_at, updated_at)
SELECT id, to_char(created_at, 'YYYY') || '/' || lpad(id::text, 9, '0'), notary_id, client_id, act_type,
       initcap(replace(act_type, '_', ' ')) || ' n. ' || id,
       'Pratica aperta dal portale; documenti richiesti al cliente per ' || replace(act_type, '_', ' ') || '.',
       status, pg_temp.pick(id, 31, 90000000) / 100.0, 300 + pg_temp.pick(id, 32, 500000) / 100.0,
       CASE WHEN status IN ('bozza', 'in_lavorazione', 'in_firma') THEN (created_at + interval '120 days')::date END,
       CASE WHEN status IN ('completato', 'archiviato') THEN changed_at END, created_at, changed_at
FROM (SELECT id, 1 + pg_temp.pick(id, 33, :notaries) AS notary_id, 1 + pg_temp.pick(id, 34, :clients) AS client_id,
             pg_temp.one_of('{compravendita,compravendita,mutuo,mutuo,donazione,testamento,procura,costituzione_societa,
                              successione}', id, 35) AS act_type,
             pg_temp.one_of('{completato,completato,completato,completato,completato,completato,completato,completato,
                              completato,completato,completato,archiviato,archiviato,archiviato,archiviato,
                              in_lavorazione,in_lavorazione,bozza,in_firma,annullato}', id, 36) AS status,
             :'now'::timestamptz - (40 * 86400 + pg_temp.pick(id, 37, 690 * 86400)) * interval '1 s' AS created_at,
             :'now'::timestamptz - pg_temp.pick(id, 38, 39 * 86400) * interval '1 s' AS changed_at
      FROM generate_series(1, :acts) AS id) AS act;

-- A finished act's papers are signed; of an open one's, a few.
INSERT INTO documents (id, act_id, uploaded_by_id, title, file, mime_type, size_bytes, checksum, is_signed, signed_at, created_at)
SELECT d.id, d.act_id, :notaries + a.client_id, d.title, 'atti/' || d.act_id || '/' || d.id || '.pdf', 'application/pdf',
       20000 + pg_temp.pick(d.id, 41, 5000000), encode(sha256(d.id::text::bytea), 'hex'), s.is_signed,
       CASE WHEN s.is_signed THEN a.updated_at END, a.created_at + pg_temp.pick(d.id, 42, 72) * interval '1 hour'
FROM (SELECT id, 1 + pg_temp.pick(id, 43, :acts) AS act_id,
             pg_temp.one_of('{Carta d''identità,Visura catastale,Planimetria,Contratto preliminare,Atto firmato,
                              Certificato anagrafico,Perizia}', id, 44) AS title
      FROM generate_series(1, :documents) AS id) AS d
     JOIN acts a ON a.id = d.act_id,
     LATERAL (SELECT a.completed_at IS NOT NULL OR pg_temp.pick(d.id, 45, 4) = 0 AS is_signed) AS s
ORDER BY d.id;

-- Half an hour each on a working day, from eighteen months ago to a month ahead.
INSERT INTO appointments (id, notary_id, client_id, act_id, starts_at, ends_at, kind, status, notes, created_at)
SELECT i.id, a.notary_id, a.client_id, a.id, i.starts_at, i.starts_at + interval '30 min',
       pg_temp.one_of('{in_studio,in_studio,videochiamata,telefono}', i.id, 51),
       CASE WHEN pg_temp.pick(i.id, 52, 12) = 0 THEN 'annullato' WHEN i.starts_at < :'now' THEN 'svolto'
            WHEN pg_temp.pick(i.id, 52, 3) = 0 THEN 'richiesto' ELSE 'confermato' END,
       '', i.starts_at - (2 + pg_temp.pick(i.id, 53, 20)) * interval '1 day'
FROM (SELECT id, date_trunc('week', :'now'::timestamptz) + (pg_temp.pick(id, 54, 82) - 78) * interval '1 week'
                 + pg_temp.pick(id, 55, 5) * interval '1 day' + (16 + pg_temp.pick(id, 56, 18)) * interval '30 min' AS starts_at
      FROM generate_series(1, :appointments) AS id) AS i
     JOIN acts a ON a.id = 1 + pg_temp.pick(i.id, 57, :acts)
ORDER BY i.id;

INSERT INTO reviews (notary_id, client_id, act_id, rating, comment, is_approved, approved_at, created_at)
SELECT notary_id, client_id, id, greatest(1, 5 - pg_temp.pick(id, 61, 4) * pg_temp.pick(id, 62, 2)),
       pg_temp.one_of('{Molto professionale e disponibile.,Tempi rapidi e spiegazioni chiare.,Tutto bene.,
                        Qualche attesa di troppo.,Consigliato.}', id, 63),
       approved, CASE WHEN approved THEN completed_at + interval '3 days' END, completed_at + interval '1 day'
FROM acts, LATERAL (SELECT pg_temp.pick(id, 64, 10) > 0 AS approved) AS r
WHERE completed_at IS NOT NULL AND pg_temp.pick(id, 65, 10) < 3
ORDER BY id;

UPDATE notaries n SET rating = r.rating, reviews_count = r.approved
FROM (SELECT notary_id, avg(rating)::numeric(3,2) AS rating, count(*) AS approved FROM reviews WHERE is_approved GROUP BY 1) AS r
WHERE r.notary_id = n.id;

SELECT setval(pg_get_serial_sequence('users', 'id'), (SELECT max(id) FROM users)),
       setval(pg_get_serial_sequence('notaries', 'id'), (SELECT max(id) FROM notaries)),
       setval(pg_get_serial_sequence('clients', 'id'), (SELECT max(id) FROM clients)),
       setval(pg_get_serial_sequence('acts', 'id'), (SELECT max(id) FROM acts)),
       setval(pg_get_serial_sequence('documents', 'id'), (SELECT max(id) FROM documents)),
       setval(pg_get_serial_sequence('appointments', 'id'), (SELECT max(id) FROM appointments)) \gset ignored_
COMMIT;
