"""`tidegate init`: from someone's measurements to the section `dataset` of params.yaml."""
