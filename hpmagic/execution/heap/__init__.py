"""Objects as they stand: what is reachable from variables, whether it changed, and put back.

A snapshot walks the objects that code can reach, keeps of each one what it holds (the very same
objects, by identity; arrays by fingerprint and, where memory allows, by copy), and later compares
or puts back, object by object. Nothing is rebuilt: whoever refers to an object still does.
"""
