/* SPDX-License-Identifier: MIT */
/*
 * The partition's devices: VMBus below a module device (Linux looks there for memory windows), one serial port, the
 * clock. Power states: S5 alone; its type is PM_SLP_TYPE_OFF in pm.h.
 */
DefinitionBlock ("", "DSDT", 2, "XENOLI", "PARTITIO", 1)
{
    Name (\_S5, Package (4) { 5, 5, 0, 0 })

    Scope (\_SB)
    {
        Device (VMOD)
        {
            Name (_HID, "ACPI0004")
            Name (_UID, Zero)
            Name (_CRS, ResourceTemplate ()
            {
                QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite,
                    0, 0xF8000000, 0xFBFFFFFF, 0, 0x04000000)
            })

            Device (VMBS)
            {
                /* Real firmware has the five letters as _HID, which iasl refuses; clients match _CID just as well. */
                Name (_HID, "MSFT1000")
                Name (_CID, "VMBus")
                Name (_UID, Zero)
                Method (_STA, 0, NotSerialized) { Return (0x0F) }
            }
        }

        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, One)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 0x01, 0x08)
                IRQNoFlags () { 4 }
            })
        }

        Device (RTC0)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 0x01, 0x02)
                IRQNoFlags () { 8 }
            })
        }
    }
}
