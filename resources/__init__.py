"""Resources: adapters to the lake, the engine, the feature store, the model registry, the alerts and the orchestrator."""
