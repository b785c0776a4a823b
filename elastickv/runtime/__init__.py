"""asyncio around the sans-IO core: one `Group` holds log, core, executor and state; everything else serves it."""
