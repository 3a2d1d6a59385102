"""Where a pod may run: pure rules over pods and nodes, used by the scheduler and by the controllers."""
