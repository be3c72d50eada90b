-- What the queries/ need beyond primary keys and unique constraints; loaded after data.sql, since building an index
-- once is cheaper than keeping it. Each says which queries it serves.

-- The domain's two partial indexes: a notary's open work, and the notaries that are on the map.
CREATE INDEX idx_acts_active ON acts (notary_id, status) WHERE status IN ('bozza', 'in_lavorazione');
CREATE INDEX idx_notaries_coordinates ON notaries USING gist (coordinates) WHERE coordinates IS NOT NULL;

CREATE UNIQUE INDEX idx_users_username ON users (username);                       -- login
CREATE INDEX idx_users_email ON users (upper(email));                             -- login by e-mail
CREATE INDEX idx_notaries_rating ON notaries (rating DESC, id) WHERE is_active;   -- notary_list
CREATE INDEX idx_notaries_city ON notaries (city, rating DESC, id) WHERE is_active;  -- notaries_by_city
CREATE INDEX idx_acts_notary ON acts (notary_id, created_at DESC, id DESC);       -- act_list
CREATE INDEX idx_acts_client ON acts (client_id, created_at DESC);                -- foreign key; a client's own acts
CREATE INDEX idx_documents_act ON documents (act_id) INCLUDE (is_signed);         -- counts of act_list; documents_of_act
CREATE INDEX idx_documents_uploaded_by ON documents (uploaded_by_id);             -- foreign key
CREATE INDEX idx_appointments_notary ON appointments (notary_id, starts_at);      -- appointment_create
CREATE INDEX idx_appointments_client ON appointments (client_id, starts_at);      -- foreign key
CREATE INDEX idx_appointments_act ON appointments (act_id) WHERE act_id IS NOT NULL;  -- foreign key
CREATE INDEX idx_reviews_notary ON reviews (notary_id) INCLUDE (rating) WHERE is_approved;  -- review_approve
CREATE INDEX idx_reviews_pending ON reviews (created_at) WHERE NOT is_approved;   -- the staff's queue
CREATE INDEX idx_reviews_client ON reviews (client_id);                           -- foreign key

VACUUM (ANALYZE) users, notaries, clients, acts, documents, appointments, reviews;
