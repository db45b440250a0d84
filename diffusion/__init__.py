"""The classical half: pictures, and the guidance that steers their making."""
