"""What /proc says of a process. Of one that has died, everything raises ProcessLookupError or FileNotFoundError."""
import os
import re

_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def cpu_us(pid):
    """User and system time of all threads, also of those that ended, in microseconds; exact to a clock tick."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_US


def ended_children_cpu_us(pid):
    """Of its children that ended and were waited for."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * _TICK_US


def _family(pid):
    """The process and all that came of it."""
    parents = {}
    for each in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            with open(f"/proc/{each}/stat") as file:
                parents[each] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            pass
    found, grown = {pid}, True
    while grown:
        more = {each for each, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def family_cpu_us(pid):
    """Of a process and all that came of it, those that ended included. One that ends meanwhile would be missed, so then it is asked again."""
    while True:
        ended = ended_children_cpu_us(pid)
        total = ended
        for each in _family(pid):
            try:
                total += cpu_us(each)
            except OSError:
                pass
        if ended_children_cpu_us(pid) == ended:
            return total


def _status_bytes(pid, name):
    with open(f"/proc/{pid}/status") as file:
        found = re.search(rf"^{name}:\s+(\d+) kB$", file.read(), re.M)
    if not found:   # a zombie has no memory
        raise ProcessLookupError(f"process {pid} has ended")
    return int(found[1]) * 1024


def resident_bytes(pid):
    return _status_bytes(pid, "VmRSS")


def peak_bytes(pid):
    """The highest resident memory since the start, or since reset_peak()."""
    return _status_bytes(pid, "VmHWM")


def reset_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def machine():
    """What a reader must know to compare two reports."""
    with open("/proc/cpuinfo") as file:
        model = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    return {"cores": len(os.sched_getaffinity(0)), "cpu": model[1] if model else "unknown",
            "kernel": os.uname().release, "load_before": os.getloadavg()[0]}
