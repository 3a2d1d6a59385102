"""What the gateway costs, as ratios: each program is `python -m bench.NAME`, and says at its top how it measures.

cold_start     from nothing to the first answer with 5,000 pods, and the memory that they take
change_lag     from a pod's change at the API server to the gateway's answer
thousand_apps  1,000 apps posted and running, against the bare creation of the same objects
api_calls      calls to the Kubernetes API in the life of an app, as the API server counts them
list_apps      `GET /v2/apps` of 1,000 apps, against the same bytes from a bare server

All but the last run on a real control plane with kwok's nodes (tests.controlplane) and on the embedded cluster, so that the
latter's figures can be trusted or not. `--quick` is a small run that shows that a program works, and no figure.
"""
