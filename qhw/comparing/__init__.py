"""Two runs side by side: settings that differ, paired metrics, pictures of the same latents."""
