-- Do we win more customers than we lose?
-- One row per month, the last thirteen, the running one included: customers who ordered, and of these the
-- new, the retained (ordered the month before, too) and the returned ones; dormant ones ordered the month
-- before and not now, as a negative number. Active = active before + new + returned + dormant. `quick_ratio`
-- above 1 is growth. In the running month (not complete) many look dormant who have not come yet.
with ranked as (
    select
        row_number() over (order by l.period desc) as place,
        l.period,
        l.period_name,
        l.is_complete,
        l.is_left_censored,
        l.active_customers_prev,
        l.new_customers,
        l.retained_customers,
        l.resurrecting_customers,
        l.dormant_customers,
        l.active_customers,
        l.retained_share,
        l.quick_ratio
    from kpi.lifecycle as l
    where l.grain = 'month'
),

final as (
    select
        r.period_name,
        r.active_customers_prev,
        r.new_customers,
        r.resurrecting_customers,
        r.dormant_customers,
        r.active_customers,
        r.retained_customers,
        r.retained_share,
        r.quick_ratio,
        r.is_complete,
        r.is_left_censored
    from ranked as r
    where r.place <= 13
)

select * from final
order by period_name
