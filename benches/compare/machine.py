"""The machine: how busy others keep it, memory of this process, the page cache, bytes on disk, and what it is."""
import os
import platform
import resource
import time

TICKS = os.sysconf("SC_CLK_TCK")
# More than this many cores used by others, and a figure is marked.
NOISY = 0.25
QUIET = 0.12


def cpu_seconds():
    """CPU seconds used by the whole machine, and by this process with its children."""
    with open("/proc/stat") as f:
        used = [int(x) for x in f.readline().split()[1:9]]
    t = os.times()
    return (sum(used) - used[3] - used[4]) / TICKS, t.user + t.system + t.children_user + t.children_system


class Noise:
    """How many cores everybody else has used since this was made."""

    def __init__(self):
        self.all, self.own = cpu_seconds()
        self.start = time.perf_counter()

    def cores(self):
        everybody, own = cpu_seconds()
        used = (everybody - self.all) - (own - self.own)
        return max(0.0, used / max(time.perf_counter() - self.start, 0.05))


class Patience:
    """The seconds that a process may still spend waiting for the others to go quiet."""

    def __init__(self, seconds):
        self.seconds = seconds

    def wait(self):
        while self.seconds > 0:
            noise = Noise()
            time.sleep(0.5)
            self.seconds -= 0.5
            if noise.cores() <= QUIET:
                return


def peak_memory_mb(reset=False):
    """The greatest resident size since the last reset, pages of maps included."""
    try:
        if reset:
            with open("/proc/self/clear_refs", "w") as f:
                f.write("5")
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def drop_page_cache():
    """Whether it could be done: it takes root."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3\n")
        return True
    except OSError:
        return False


def bytes_on_disk(paths):
    total = 0
    for path in paths:
        if os.path.isfile(path):
            total += os.stat(path).st_blocks * 512
        for root, _, files in os.walk(path):
            total += sum(os.stat(os.path.join(root, f)).st_blocks * 512 for f in files)
    return total


def description():
    """The processor, its cores, the memory and the system, in one line."""
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()}"
