# sportello_fuzz_target(NAME LIBRARY), one line a target.
