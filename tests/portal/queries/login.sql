-- login: ModelBackend looks the user up before it checks the password, which it does itself.
--   User._default_manager.get_by_natural_key(username)

-- parameters: username
SELECT "users"."id", "users"."password", "users"."last_login", "users"."is_superuser", "users"."username",
       "users"."first_name", "users"."last_name", "users"."is_staff", "users"."is_active",
       "users"."date_joined", "users"."email", "users"."phone", "users"."role"
FROM "users"
WHERE "users"."username" = $1
LIMIT 21;
