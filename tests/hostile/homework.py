"""Homework that means harm, or does it by mistake: what stands in `propagate` before what is right, or around it."""

RIGHT = """
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    return {'dw': dw, 'db': db}, cost
"""
START = "import ctypes, mmap, os, signal, socket, subprocess, sys, tempfile, threading, time\nimport numpy as np\n"
SIGMOID = "\n\ndef sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n"
SLEEP = "[sys.executable, '-c', 'import time; time.sleep(600)']"

# In the function, before what is right.
INSIDE = {
    # processes that stay
    "fork": "if os.fork() == 0: time.sleep(600)",
    "fork that returns": "os.fork()",
    "fork, setsid": "if os.fork() == 0: os.setsid(); time.sleep(600)",
    "double fork": "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(600)\n    os._exit(0)",
    "triple fork that ignores signals":
        "if os.fork() == 0:\n    os.setsid()\n    for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\n"
        "    if os.fork() == 0:\n        if os.fork() == 0: time.sleep(600)\n        os._exit(0)\n    os._exit(0)",
    "popen": f"subprocess.Popen({SLEEP})",
    "popen in a new session": f"subprocess.Popen({SLEEP}, start_new_session=True)",
    "popen without environment": f"subprocess.Popen({SLEEP}, env={{}}, start_new_session=True)",
    "shell in the background": "os.system('sleep 600 & sleep 600 &')",
    "nohup": "os.system('nohup setsid sleep 600 >/dev/null 2>&1 &')",
    "multiprocessing": "import multiprocessing; multiprocessing.Process(target=time.sleep, args=(600,)).start()",
    "fork bomb": "while True:\n    if os.fork() == 0: continue",
    "shell bomb": "os.system('f() { f | f & }; f')",
    "fork without end": "while True:\n    if os.fork() == 0: time.sleep(600)",
    "children that start children": "def go():\n    while os.fork() == 0: time.sleep(0.01)\ngo()",
    "threads": "threading.Thread(target=time.sleep, args=(600,)).start()",
    "500 threads": "[threading.Thread(target=time.sleep, args=(600,)).start() for i in range(500)]",
    "kill the parent": "os.kill(os.getppid(), 9)",
    "fork, then kill the parent": "if os.fork() == 0: time.sleep(600)\nos.kill(os.getppid(), 9)",
    "stop the parent": "os.kill(os.getppid(), signal.SIGSTOP)",
    "kill itself": "os.kill(os.getpid(), 9)",
    "stop itself": "os.kill(os.getpid(), signal.SIGSTOP)",
    "kill the group": "os.killpg(0, 9)",
    "terminate the group": "os.killpg(0, 15)",
    "an alarm": "signal.alarm(1); time.sleep(600)",
    "become another program": "os.execvp('sleep', ['sleep', '600'])",
    # memory, files, time
    "20 GB at once": "x = 'a' * (20 * 10**9)",
    "memory bit by bit": "x = []\nwhile True: x.append(bytearray(10**7))",
    "memory that is shared": "m = mmap.mmap(-1, 4 * 10**9)\nfor i in range(0, 4 * 10**9, 4096): m[i] = 1",
    "memory in children": "for i in range(30):\n    if os.fork() == 0:\n        x = bytearray(b'1') * (10**8)\n"
                          "        time.sleep(600)\ntime.sleep(600)",
    "a file without end": "f = open('big', 'wb')\nwhile True: f.write(bytes(10**7))",
    "many files": "for i in range(2000): open(f'f{i}', 'w').close()",
    "deep folders": "for i in range(3000):\n    os.mkdir('d'); os.chdir('d')",
    "a folder nobody may enter": "os.makedirs('locked/inside', exist_ok=True); os.chmod('locked', 0)",
    "loop": "while True: pass",
    "sleep": "time.sleep(600)",
    "ignores interrupts": "for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True:\n"
                          "    try: time.sleep(600)\n    except BaseException: pass",
    "a long power": "x = 9 ** 9 ** 9",
    "files of the tests": "open(os.environ['TGC_VICTIM'], 'w').write('gone')",
    "delete beside": "[os.remove(f) for f in os.listdir('.')]",
    "delete beside the file": "d = os.path.dirname(__file__)\n[os.remove(os.path.join(d, f)) for f in os.listdir(d)]",
    "overwrite large data": "open('large.bin', 'r+b').write(b'gone')",
    "a pipe": "os.path.exists('p') or os.mkfifo('p')\nopen('p').read()",
    # crashes and channels
    "crash": "ctypes.string_at(0)",
    "exit": "sys.exit(0)",
    "exit at once": "os._exit(0)",
    "abort": "os.abort()",
    "recursion": "def f(): f()\nf()",
    "recursion in C": "sys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
    "close all": "os.closerange(0, 1000)",
    "write into the channel": "for i in range(3, 20):\n    try: os.write(i, b'\\xff' * 100)\n    except OSError: pass",
    "a pickle in the channel": "import pickle\nclass P:\n    def __reduce__(s): return (os.system, ('touch ' + "
                               "os.environ['TGC_VICTIM'] + '.ran',))\nd = pickle.dumps(P())\nfor i in range(3, 20):\n"
                               "    try: os.write(i, len(d).to_bytes(8, 'little') + d)\n    except OSError: pass",
    "endless message": "for i in range(3, 20):\n    try:\n        while True: os.write(i, b'\\0' * 65536)\n"
                       "    except OSError: pass",
    "replace builtins": "import builtins, json\nbuiltins.len = builtins.isinstance = json.dumps = None",
    # what it says
    "10 MB of text": "raise ValueError('x' * 10**7)",
    "text without end": "class E(Exception):\n    def __str__(s):\n        while True: pass\nraise E()",
    "text that raises": "class E(Exception):\n    def __str__(s): raise s\nraise E()",
    "text that exits": "class E(Exception):\n    def __str__(s): os._exit(0)\nraise E()",
    "no exception": "raise BaseException('\\x1b]0;title\\x07\\x1b[2J')",
    "a name of 10^6": "raise type('E' * 10**6, (Exception,), {})('x')",
    "10^10000": "return {'dw': 10**10000, 'db': b}, 10**10000",
    "nested": "x = []\nfor i in range(10**5): x = [x]\nreturn x",
    "itself": "x = {}\nx['dw'] = x\nreturn x, x",
    "million keys": "return {str(i): i for i in range(10**6)}, 1.0",
    "a dictionary of its own": "from collections.abc import Mapping\nclass M(Mapping):\n"
                               "    def __getitem__(s, k): return 1\n    def __len__(s): return 1\n"
                               "    def __iter__(s):\n        while True: yield 'dw'\nreturn M(), 1.0",
    "an array of objects": "return {'dw': np.array([print]), 'db': np.array(['x'])}, 1.0",
    "an array without end": "return {'dw': np.broadcast_to(1.0, (10**9, 10**3)), 'db': b}, 1.0",
    "a class that lies": "class L(np.ndarray):\n    @property\n    def shape(s): raise SystemExit\n"
                         "return {'dw': np.zeros(3).view(L), 'db': b}, 1.0",
}
# At the top of the file.
OUTSIDE = {
    "import that sleeps": "time.sleep(600)", "import that forks": "if os.fork() == 0: time.sleep(600)",
    "import that exits": "os._exit(0)", "import that crashes": "ctypes.string_at(0)",
    "at exit": "import atexit; atexit.register(time.sleep, 600)",
}


def files() -> dict[str, str]:
    """Every piece of homework by what it does."""
    head = SIGMOID + "\n\ndef propagate(w, b, X, Y):\n"
    found = {what: START + head + "".join(f"    {line}\n" for line in code.splitlines()) + RIGHT
             for what, code in INSIDE.items()}
    return found | {what: START + code + "\n" + head + RIGHT for what, code in OUTSIDE.items()}
