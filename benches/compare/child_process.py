"""The parent's side of child.py: starts it, hands on its messages, and ends it when it is silent for too long."""
import collections
import json
import os
import queue
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))

# A child that ended early: the query or test that ran, if any did, and why.
Ended = collections.namedtuple("Ended", "running why")


class Child:
    def __init__(self, job, timeout):
        self.job, self.timeout = job, timeout
        self.running = None

    def run(self, on):
        """Calls on(message) for each figure or error. None when the child came to its end, else how it Ended."""
        lines = queue.Queue()
        threads = str(self.job["threads"])
        env = dict(os.environ, POLARS_MAX_THREADS=threads, OMP_NUM_THREADS=threads)
        command = [sys.executable, os.path.join(HERE, "child.py"), json.dumps(self.job)]
        with open(self.job["log"], "ab") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        threading.Thread(target=self.pump, args=(process, lines), daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=self.timeout + self.job["quiet"])
            except queue.Empty:
                process.kill()
                process.wait()
                return Ended(self.running, f"over {self.timeout:.0f} s")
            if line is None:
                code = process.wait()
                return Ended(self.running, f"died with {code}") if code or self.running else None
            if line.startswith("@@"):
                self.take(json.loads(line[2:]), on)

    @staticmethod
    def pump(process, lines):
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    def take(self, message, on):
        if message["kind"] == "start":
            self.running = message["q"]
            return
        on(message)
        if self.running in (message.get("q"), message.get("test")):
            self.running = None
