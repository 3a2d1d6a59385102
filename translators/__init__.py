"""Pure translations between Marathon's definitions, Kubernetes' objects and Mesos' records: no I/O, no clock."""
