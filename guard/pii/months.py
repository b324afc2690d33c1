"""The names of months in languages that write the day before them, as the projection folds them."""

from __future__ import annotations

PREFIXES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
"""How the English ones begin, and with them many others."""

NAMES = frozenset(
    """januar februar marz maerz mai juni juli oktober dezember janner feber
    janvier fevrier mars avril juin juillet aout septembre octobre novembre decembre
    enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre
    janeiro fevereiro marco maio junho julho setembro outubro novembro dezembro
    gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre
    januari februari maart mei augustus augusti april august september november december maj marts desember
    stycznia lutego marca kwietnia maja czerwca lipca sierpnia wrzesnia pazdziernika listopada grudnia
    ledna unora brezna dubna kvetna cervna cervence srpna zari rijna listopadu prosince
    ianuarie februarie martie aprilie iunie iulie septembrie octombrie noiembrie decembrie
    ocak subat mart nisan mayis haziran temmuz agustos eylul ekim kasim aralik
    rhbapr oebpajr mapta anpejr mar nohr nojr abrycta cehtrbpr oktrbpr horbpr gekabpr""".split()
)
"""Whole, in small letters; the last line is what Russian ones look like in ASCII."""

BEGUN = frozenset(name[:3] for name in (*PREFIXES, *NAMES))
"""How any of them begins."""
