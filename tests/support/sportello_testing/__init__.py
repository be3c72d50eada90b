"""What integration tests are made of: real servers, scripted peers, and a proxy that injects faults.

One module a job:
    waiting        conditions with deadlines, the only way tests wait
    ports          free TCP ports that no other test process takes
    toml_text      a Python dict as TOML
    wire           PostgreSQL messages: build them, read them, print them as one line each
    login          SCRAM-SHA-256 and md5 arithmetic of both sides
    wire_client    a client that sends any bytes and reads messages
    wire_server    a server that answers by script
    fault_proxy    a TCP relay that understands messages: delay, slice, stall, cut, reset
    postgres       PostgreSQL clusters: a primary and its replicas
    statements     a corpus of statements of every kind, and the schema that it is about
    proxy_process  the process under test
    certificates   throw-away certificate authorities
    fixtures       the pytest fixtures over all of these
"""
