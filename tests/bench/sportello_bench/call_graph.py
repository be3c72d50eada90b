"""What callgrind wrote (its manual, "Callgrind Format Specification"): what each function cost, and who called whom how often."""
import collections
import dataclasses
import re

_NAME = re.compile(r"(ob|fn|cob|cfn)=\((\d+)\)(?: (.*))?$")


@dataclasses.dataclass
class CallGraph:
    cost: collections.Counter = dataclasses.field(default_factory=collections.Counter)     # function -> instructions of its own
    calls: collections.Counter = dataclasses.field(default_factory=collections.Counter)    # (caller, callee) -> times
    program: dict = dataclasses.field(default_factory=dict)                                # function -> file of the code


def read(path):
    graph, names = CallGraph(), {"ob": {}, "fn": {}}
    program = function = callee = times = None
    with open(path) as file:
        for line in file:
            if named := _NAME.match(line):
                kind, number, name = named.groups()
                known = names[kind[-2:]]
                if name:
                    known[number] = re.sub(r"'\d+$", "", name)   # recursion's levels
                if kind == "ob":
                    program = known[number]
                elif kind == "fn":
                    function = known[number]
                    graph.program[function] = program
                elif kind == "cfn":
                    callee = known[number]
            elif line.startswith("calls="):
                times = int(line[6:].split()[0])
            elif line[0] in "0123456789+-*":
                if times is None:
                    graph.cost[function] += int(line.split()[1])
                else:                       # the line below calls= has what the callee cost
                    graph.calls[function, callee] += times
                    times = None
    return graph


def order(graph, functions):
    """The functions, dearest first, each behind whoever calls it most: the C3 heuristic of Ottoni and Maher, "Optimizing function
    placement for large-scale data-center applications" (CGO 2017), without its bound on the size of a cluster."""
    clusters = {function: [function] for function in functions}
    main_caller = {}
    for (caller, callee), times in graph.calls.items():
        if caller != callee and caller in clusters and callee in clusters and times > main_caller.get(callee, (0,))[0]:
            main_caller[callee] = (times, caller)
    by_cost = sorted(functions, key=lambda function: -graph.cost[function])
    for function in by_cost:
        if function not in main_caller:
            continue
        front, back = clusters[main_caller[function][1]], clusters[function]
        if front is not back:
            front.extend(back)
            clusters.update((each, front) for each in back)
    ordered = dict.fromkeys(each for function in by_cost for each in clusters[function])
    return list(ordered)
