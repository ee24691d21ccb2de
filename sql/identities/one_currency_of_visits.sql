-- One row per table with money of visits: how many currencies the lines that count have, and which.
with currencies as (
    select distinct s.currency
    from core.sales as s
    where s.is_valid
),

found as (
    select
        count(*) as currencies,
        string_agg(coalesce(c.currency, 'none'), ', ' order by coalesce(c.currency, 'none')) as names
    from currencies as c
),

judged as (
    select t.derived
    from (
        values
            ('behavior.peak_times'), ('behavior.sessions_daily'), ('behavior.visitors'),
            ('behavior.visit_classes'), ('behavior.visit_orders'), ('behavior.entry_exit_pages'),
            ('behavior.effects'), ('behavior.device_effect'), ('behavior.location_effect'),
            ('behavior.effect_sizes'), ('behavior.friction'), ('behavior.distributions')
    ) as t(derived)
),

final as (
    select
        j.derived,
        'currencies: ' || coalesce(f.names, 'none') as item,
        f.currencies as left_value,
        1 as right_value,
        greatest(f.currencies - 1, 0) as difference
    from judged as j
    cross join found as f
)

select * from final
