# sportello_fuzz_target(NAME LIBRARY), one line a target.
sportello_fuzz_target(sql_facts protocol)
sportello_fuzz_target(sql_lexer protocol)
# It reads PostgreSQL's own tokens, which libpg_query hands out as protobuf.
target_link_libraries(fuzz_sql_lexer PRIVATE sportello_pg_query protobuf-c)
sportello_fuzz_target(client_login proxy)
sportello_fuzz_target(scram_client protocol)
sportello_fuzz_target(scram_server protocol)
sportello_fuzz_target(server_login proxy)
sportello_fuzz_target(tls_session protocol)
target_sources(fuzz_tls_session PRIVATE ${PROJECT_SOURCE_DIR}/tests/support/certificates.cc)
