-- Which audiences can be reached?
-- One row per audience of core.audience_rules, the largest reachable first: how many customers fit it, and
-- how many of these agreed to marketing (`reachable`). Who refused and who was never asked may not be written
-- to. A customer can fit several audiences, so that rows must not be added up; customer.audience_members
-- lists the reachable ones.
with final as (
    select
        a.audience_id,
        a.audience_name,
        a.definition,
        a.customers,
        a.customer_share,
        a.reachable,
        a.reachable_share,
        a.refused,
        a.never_asked,
        a.net_sales,
        a.currency
    from customer.audiences as a
)

select * from final
order by reachable desc, customers desc, audience_id
