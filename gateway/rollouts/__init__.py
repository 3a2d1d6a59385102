"""Deployments in Marathon's sense: what a change does step by step (plan), and doing it (runner, on the leader only)."""
