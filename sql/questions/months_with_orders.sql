-- In how many months of the year do customers buy?
-- One row per number of months, 1 to 12, among the last 12 complete calendar months: how many customers
-- ordered in exactly so many, of those who ordered in any. `share_at_least` reads: so many bought in so many
-- months or more. Months in which the data had not begun cannot have orders.
with final as (
    select
        s.active_periods as months,
        s.members as customers,
        s.share,
        s.members_at_least as customers_at_least,
        s.share_at_least,
        s.audience_size as all_customers,
        s.window_begin,
        s.window_end,
        s.low_n
    from kpi.stickiness as s
    where s.audience = 'customers'
)

select * from final
order by months
