//! The words of the page, in both languages.

use crate::pages::language::Language;

/// The words of one language.
pub struct Words {
    pub title: &'static str,
    pub register: &'static str,
    pub entry: &'static str,
    pub issuer: &'static str,
    pub recorded: &'static str,
    pub effective: &'static str,
    pub record: &'static str,
    pub version: &'static str,
    pub index: &'static str,
    pub appeared: &'static str,
    pub appeared_at: &'static str,
    pub served: &'static str,
    pub first_appeared: &'static str,
    pub laws: &'static str,
    pub says: &'static str,
    pub withheld: &'static str,
    pub order: &'static str,
    pub order_of: &'static str,
    pub proof: &'static str,
    pub proof_text: &'static str,
    pub origin: &'static str,
    pub size: &'static str,
    pub root: &'static str,
    pub signed: &'static str,
    pub witnesses: &'static str,
    pub no_witnesses: &'static str,
    pub witnessed: &'static str,
    pub verify: &'static str,
    pub verify_page: &'static str,
    pub verify_command: &'static str,
    pub verify_keys: &'static str,
    pub text: &'static str,
    pub text_about: &'static str,
}

impl Words {
    /// Of a language.
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::Russian => &RUSSIAN,
            Language::English => &ENGLISH,
        }
    }
}

const RUSSIAN: Words = Words {
    title: "Квитанция о записи в реестре",
    register: "Реестр",
    entry: "Запись",
    issuer: "Подписало ведомство",
    recorded: "Внесена",
    effective: "Действует с",
    record: "Учётная запись",
    version: "Её версия",
    index: "Номер в реестре (с нуля)",
    appeared: "Когда появилось в личном кабинете",
    appeared_at: "Запись внесена и с этого времени видна в личном кабинете:",
    served: "Это юридически значимое сообщение. Оно вручается тем, что появляется в личном кабинете, прочитано оно или нет; \
        квитанция доказывает, что и когда в нём появилось.",
    first_appeared: "Само извещение появилось в личном кабинете раньше:",
    laws: "Реестр ведётся по:",
    says: "Что записано",
    withheld: "Содержание записи изъято. Что она есть, кто её подписал и когда она внесена, квитанция доказывает и без него.",
    order: "Изъято по:",
    order_of: "от",
    proof: "Чем это подтверждено",
    proof_text: "Ведомство подписало запись своим ключом, и она входит в дерево, корень которого подписан ключом реестра. \
        Изменить, убрать или внести её задним числом, не нарушив подписей, нельзя. Время внесения поставил реестр; свидетель, \
        подписавший ту же контрольную точку, доказывает, что запись была в реестре не позже его подписи.",
    origin: "Журнал",
    size: "Записей в нём",
    root: "Корень дерева",
    signed: "Ключи, которыми подписано",
    witnesses: "Свидетели и время их подписи",
    no_witnesses: "нет",
    witnessed: "Запись была в реестре не позже",
    verify: "Как проверить",
    verify_page: "Сохраните эту страницу и дайте её странице /verify этого сервера (её можно сохранить и открыть без сети): \
        проверка идёт в вашем браузере, и никуда ничего не отправляется. С бумаги довольно текста внизу.",
    verify_command: "Или командой:",
    verify_keys: "Файл ключей пишет reestr audit --keys-out тот, кто проверил реестры сам. Сохраните его вместе с квитанцией: \
        ключи со временем меняют.",
    text: "Квитанция",
    text_about: "Всё, что нужно для проверки, вместе с содержанием записи: кто получит этот текст, прочтёт и её.",
};

const ENGLISH: Words = Words {
    title: "Receipt for an entry in a register",
    register: "Register",
    entry: "Entry",
    issuer: "Signed by",
    recorded: "Recorded",
    effective: "In effect from",
    record: "Record",
    version: "Its version",
    index: "Index in the register (from 0)",
    appeared: "When it appeared in the account",
    appeared_at: "The entry was recorded, and is seen in the account since:",
    served: "This is a legally significant message. It is served by its appearance in the account, read or not; the receipt \
        proves what appeared there and when.",
    first_appeared: "The notice itself appeared in the account before:",
    laws: "The register is kept by:",
    says: "What the entry says",
    withheld: "The content of the entry is withheld. That it is there, who signed it and when it was recorded is proved without it.",
    order: "Withheld by order of:",
    order_of: "of",
    proof: "What proves it",
    proof_text: "The department signed the entry with its key, and it is in a tree whose root is signed with the register's key. \
        It cannot be changed, removed or back-dated without breaking a signature. The time of recording was set by the register; \
        a witness who cosigned the same checkpoint proves that the entry was there at the time of the cosignature at the latest.",
    origin: "Log",
    size: "Entries in it",
    root: "Root of the tree",
    signed: "Keys that signed it",
    witnesses: "Witnesses, and when they cosigned",
    no_witnesses: "none",
    witnessed: "The entry was in the register at the latest at",
    verify: "How to verify it",
    verify_page: "Save this page and give it to the page /verify of this server (which can be saved and opened without a network): \
        the check runs in your browser, and nothing is sent anywhere. From paper the text below is enough.",
    verify_command: "Or by a command:",
    verify_keys: "The file of keys is written by reestr audit --keys-out, by whoever has verified the registers themselves. Keep \
        it with the receipt: keys change in time.",
    text: "Receipt",
    text_about: "All that the check needs, with what the entry says: whoever is given this text can read it.",
};
