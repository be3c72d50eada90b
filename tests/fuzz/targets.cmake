# sportello_fuzz_target(NAME LIBRARY), one line a target.
sportello_fuzz_target(sql_facts protocol)
sportello_fuzz_target(sql_lexer protocol)
# It reads PostgreSQL's own tokens, which libpg_query hands out as protobuf.
target_link_libraries(fuzz_sql_lexer PRIVATE sportello_pg_query protobuf-c)
