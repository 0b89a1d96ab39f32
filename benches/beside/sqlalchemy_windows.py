"""SQLAlchemy's QueuePool in the bench suite, on connections that do nothing.

Reads lines "threads connections held window timed" (times in nanoseconds), lets that many threads get and close connections for
the window, and answers "cost p50 p99 longest" in nanoseconds. benches/suite/peer.rs starts it.
"""

import sys
import threading
import time

try:
    import sqlalchemy
    from sqlalchemy.pool import QueuePool
except ImportError:
    sys.exit(0)


class Nothing:
    def rollback(self):
        pass

    def close(self):
        pass


pools = {}


def pool_of(connections):
    if connections not in pools:
        pool = QueuePool(Nothing, pool_size=connections, max_overflow=0, timeout=30)
        for connection in [pool.connect() for _ in range(connections)]:
            connection.close()
        pools[connections] = pool
    return pools[connections]


def window(threads, connections, held, length, timed):
    pool = pool_of(connections)
    start = threading.Barrier(threads + 1)
    stop = threading.Event()
    ends = []

    def work():
        waits = []
        pairs = 0
        connect, now, is_set = pool.connect, time.perf_counter_ns, stop.is_set
        start.wait()
        began = now()
        while not is_set():
            if timed:
                asked = now()
                connection = connect()
                waits.append(now() - asked)
                if held:
                    time.sleep(held / 1e9)
                connection.close()
            else:
                connect().close()
            pairs += 1
        ends.append((began, now(), pairs, waits))

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    time.sleep(length / 1e9)
    stop.set()
    for worker in workers:
        worker.join()
    elapsed = max(end[1] for end in ends) - min(end[0] for end in ends)
    pairs = max(1, sum(end[2] for end in ends))
    waits = sorted(wait for end in ends for wait in end[3]) or [0]
    return elapsed / pairs, waits[len(waits) // 2], waits[min(len(waits) - 1, len(waits) * 99 // 100)], waits[-1]


print("SQLAlchemy", sqlalchemy.__version__, "on Python", sys.version.split()[0], flush=True)
for line in sys.stdin:
    print(*window(*map(int, line.split())), flush=True)
