# tnsim's own tests alone: make check-sim
SIM_TESTS := $(sort $(wildcard t/sim/t/*.t))

.PHONY: check-sim
check-sim:
	prove -I t/sim/lib $(SIM_TESTS)
