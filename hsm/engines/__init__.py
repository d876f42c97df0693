"""The post-quantum engines, one file each. The only files that import their libraries."""
