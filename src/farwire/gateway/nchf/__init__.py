"""5G charging: the Nchf services of a charging function (TS 32.290, 32.291, 29.594), over HTTP/2."""
