"""The prediction workers are reloaded: by their URLs, by a broadcast, or by a restart.

``SERVING_RELOAD`` chooses. What asks is written once (``ways.Reloading``); the ways differ in how a
worker is found and asked, or, for Kubernetes, in that pods are replaced.
"""
