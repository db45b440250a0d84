"""Text-prompted diffusion in latents: Stable Diffusion 1.x and 2.x by name, frozen.

Such a model is not fitted here. `qhw models calibrate` looks at one and writes a bundle that names
it; opened from there, it stands behind the same contract as a pixel model (`Denoiser`).
"""
