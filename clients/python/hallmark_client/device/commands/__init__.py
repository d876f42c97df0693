"""`python -m hallmark_client.device`: what a device does by itself, without a program of its own."""
