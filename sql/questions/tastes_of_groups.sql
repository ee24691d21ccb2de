-- What do groups of customers like more than others do?
-- Of each group by gender, age, location and RFM segment the five categories and the five products that it
-- chooses more than everybody else, if that is more than chance (q-value below 0.05). `share` is the part of
-- the different products that the group's customers bought, `rest_share` the same of all other known groups;
-- `preference_index` is the one divided by the other. Groups without a row buy like everybody.
with final as (
    select
        p.level,
        p.breakdown,
        p.member,
        p.rank,
        p.item,
        p.item_name,
        p.customers,
        p.buyers,
        p.share,
        p.rest_share,
        p.preference_index,
        p.ci_low,
        p.ci_high,
        p.q_value
    from customer.assortment_preferences as p
    where p.rank <= 5
)

select * from final
order by level, breakdown, member, rank
