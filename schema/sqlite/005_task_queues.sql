-- What operators have set for the namespace's task queues (rates, weights of fairness): few and small, and known to every
-- process with the namespace.

ALTER TABLE namespaces ADD COLUMN task_queues BLOB NOT NULL DEFAULT '';
