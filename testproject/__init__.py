"""Example sites that use kt_cache the way a project of yours would."""
