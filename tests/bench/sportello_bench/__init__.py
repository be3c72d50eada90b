"""The comparison of proxies, one module a job:

    contenders    what is compared: each starts its processes and says where a load connects
    loads         what is done to them: pgbench, one large result, idle clients; each returns a Sample
    figures       what /proc says of a process: CPU time, resident memory, its peak
    rows          the rows of the table: a load with its arguments
    summary       medians, ratios and verdicts of many samples
    report        the summary as Markdown and as JSON
    main          options, and the interleaved loop

Beside it, with the same contenders and figures:

    routing       reads over two replicas: rows, options and the loop
    cpu_limit     a share of a core for one server
    cache         answers from memory, options and the parts:
    cache_misses, cache_memory, cache_writes, cache_lag
    cached        a Sportello with a cache
    console       its admin console
    pgbench       pgbench with scripts of ours
"""
