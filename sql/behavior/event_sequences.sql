-- One row per event of a visit, with what came before it there: the event before, and the last page before it
-- whose kind is known, as numbers (behavior.numbered_names). The order within a visit is by moment, then by
-- step_rank, then as the tracker has it; sales that joined the visit come first of a moment and step.
with events as (
    select
        e.visit_number,
        e.place,
        e.event_type_number,
        e.page_state_number,
        e.step_rank,
        e.occurred_at,
        case when e.page_state_number is not null then e.occurred_at end as page_at,
        -- the greatest of these before an event belongs to the last page before it
        case when e.page_state_number is not null then e.place::bigint * 1000000000 + e.page_state_number end
            as page_in_order
    from behavior.numbered_events as e
    where e.visit_number > 0
),

final as (
    select
        e.visit_number,
        row_number() over moments as step,
        e.event_type_number,
        lag(e.event_type_number) over moments as previous_event_type_number,
        e.page_state_number,
        (max(e.page_in_order) over before % 1000000000)::integer as previous_page_state_number,
        e.occurred_at,
        lag(e.occurred_at) over moments as previous_at,
        max(e.page_at) over before as previous_page_at
    from events as e
    window
        moments as (partition by e.visit_number order by e.occurred_at, e.step_rank, e.place),
        before as (
            partition by e.visit_number order by e.occurred_at, e.step_rank, e.place
            rows between unbounded preceding and 1 preceding
        )
)

select * from final
