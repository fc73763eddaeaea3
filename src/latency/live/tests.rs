//! The screen drawn into memory, and what each key does.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::*;
use crate::latency::source::fake;

fn picture(width: u16, height: u16, screen: &mut Screen) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a test terminal");
    let snapshot = fake::snapshot();
    terminal.draw(|frame| draw(frame, &snapshot, screen)).expect("a frame");
    terminal.backend().to_string()
}

fn press(screen: &mut Screen, code: KeyCode) -> Wish {
    key_pressed(screen, &fake::snapshot(), KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn the_screen_shows_the_table_the_details_and_who_waits_now() {
    let text = picture(120, 40, &mut Screen::default());
    for part in [
        "/shop/api",
        "STARVED",
        "has waited 212ms",
        "waits behind /batch/etl 74%",
        "self-check",
        "q quit",
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
}

#[test]
fn any_size_is_drawn() {
    for (width, height) in [(1, 1), (10, 3), (40, 10), (80, 24), (300, 100)] {
        let mut screen = Screen {
            selected: Some("/gone".into()),
            top: 99,
            ..Screen::default()
        };
        picture(width, height, &mut screen);
    }
}

#[test]
fn the_selection_moves_and_stays_with_its_cgroup() {
    let mut screen = Screen::default();
    assert_eq!(press(&mut screen, KeyCode::Down), Wish::Redraw);
    assert_eq!(screen.selected.as_deref(), Some("/batch/etl"));
    press(&mut screen, KeyCode::Char('n'));
    assert_eq!(screen.selected.as_deref(), Some("/batch/etl"));
    press(&mut screen, KeyCode::End);
    press(&mut screen, KeyCode::Down);
    assert_eq!(screen.selected.as_deref(), Some("/system.slice/dbus.service"));
}

#[test]
fn q_quits_p_pauses_and_arrows_change_the_order() {
    let mut screen = Screen::default();
    assert_eq!(press(&mut screen, KeyCode::Char('q')), Wish::Quit);
    press(&mut screen, KeyCode::Char('p'));
    assert!(screen.paused);
    assert_eq!(press(&mut screen, KeyCode::Char('t')), Wish::Fetch);
    press(&mut screen, KeyCode::Right);
    assert_eq!(screen.sort, Sort::Name);
    press(&mut screen, KeyCode::Left);
    assert_eq!(screen.sort, Sort::Hurts);
}
