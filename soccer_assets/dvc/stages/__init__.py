"""One module a stage: read what `dvc.yaml` lists under deps, call the domain, write the outs."""
