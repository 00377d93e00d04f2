"""A load balancer as one stands before any real cluster: a connection goes to the next frontend that accepts it."""

import itertools
import socket
import threading


def pump(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
    except OSError:
        pass
    for s, how in ((b, socket.SHUT_WR), (a, socket.SHUT_RD)):
        try:
            s.shutdown(how)
        except OSError:
            pass


class Balancer:
    def __init__(self, addresses):
        self.turns = itertools.cycle(addresses)
        self.count = len(addresses)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.refused = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.connect, args=(client,), daemon=True).start()

    def connect(self, client):
        for _ in range(self.count):
            try:
                server = socket.create_connection(next(self.turns), 5)
                break
            except OSError:
                continue
        else:
            self.refused += 1
            client.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        both = [threading.Thread(target=pump, args=pair, daemon=True) for pair in ((client, server), (server, client))]
        for t in both:
            t.start()
        for t in both:
            t.join()
        client.close()
        server.close()

    def stop(self):
        self.listener.close()
